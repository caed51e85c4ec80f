-- KEYS: session, streams, journal. ARGV: now, stream, fence, to, live for in ms.
local id, to = ARGV[2], tonumber(ARGV[4])

local s = session_at(KEYS[1])
if not s then return answer('unknown') end
local st = stream_at(KEYS[2], id)
check_journal(KEYS[3])
if s.revoked then return answer('revoked', s) end
if not st then return answer('unknown', s) end
if tonumber(ARGV[3]) ~= st.fence then return answer('fenced', s) end

local live = math.max(deadline(tonumber(ARGV[5])), s.live[id] or 0)
local units = math.max(0, to - st.posted)
if units == 0 then
  -- A re-opened stream, captured before: it is live again.
  sweep(s)
  redis.call('HSET', KEYS[1], 'l:' .. id, digits(live))
  return answer('replayed', s)
end
local hold = s.holds[id]
if not hold or hold.units < units then return answer('lapsed', s) end

sweep(s)
st.posted = to
if st.posted_at == '-' then st.posted_at = digits(now) end
save_stream(KEYS[2], id, st)
redis.call('HSET', KEYS[1], 'captured', digits(s.captured + units), 'l:' .. id, digits(live))
if hold.units > units then
  redis.call('HSET', KEYS[1], 'h:' .. id, digits(hold.units - units) .. ' ' .. digits(hold.till))
else
  redis.call('HDEL', KEYS[1], 'h:' .. id)
end
journal(KEYS[3], 'capture', units, id)
return answer('done', s)
