-- KEYS: session, streams, live streams. ARGV: now, stream, fence.
local id = ARGV[2]

local s = session_at(KEYS[1])
if not s then return answer('unknown') end
local st = stream_at(KEYS[2], id)
check_live(KEYS[3])
if not st then return answer('unknown', s) end
if tonumber(ARGV[3]) ~= st.fence then return answer('fenced', s) end
if not s.holds[id] then return answer('replayed', s) end

sweep(s)
drop(s, 'h:' .. id)
save(s)
if st.posted == 0 then
  st.live = 0
  save_stream(KEYS[2], id, st)
  save_live(KEYS[3], id, st)
end
return answer('done', s)
