-- KEYS: session, streams. ARGV: now, stream, fence.
local id = ARGV[2]

local s = session_at(KEYS[1])
if not s then return answer('unknown') end
local st = stream_at(KEYS[2], id)
if not st then return answer('unknown', s) end
if tonumber(ARGV[3]) ~= st.fence then return answer('fenced', s) end
if not s.holds[id] then return answer('replayed', s) end

sweep(s)
redis.call('HDEL', KEYS[1], 'h:' .. id)
return answer('done', s)
