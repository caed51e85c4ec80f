-- KEYS: session, streams, journal, live streams. ARGV: now, stream, fence, to, live for in ms.
local id, to = ARGV[2], tonumber(ARGV[4])

local s = session_at(KEYS[1])
if not s then return answer('unknown') end
local st = stream_at(KEYS[2], id)
check_journal(KEYS[3])
check_live(KEYS[4])
if s.revoked then return answer('revoked', s) end
if s.closed then return answer('closed', s) end
if not st then return answer('unknown', s) end
if tonumber(ARGV[3]) ~= st.fence then return answer('fenced', s) end
-- It has ended: a word that was on its way must not make it live again.
if st.live == 0 then return answer('lapsed', s) end

st.live = math.max(deadline(tonumber(ARGV[5])), st.live)
local units = math.max(0, to - st.posted)
if units == 0 then
  -- A re-opened stream, captured before: it is live again.
  sweep(s)
  save_stream(KEYS[2], id, st)
  save_live(KEYS[4], id, st)
  return answer('replayed', s)
end
local hold = s.holds[id]
if not hold or hold.units < units then return answer('lapsed', s) end

sweep(s)
st.posted = to
if st.posted_at == '-' then st.posted_at = digits(now) end
save_stream(KEYS[2], id, st)
save_live(KEYS[4], id, st)
put(s, 'captured', digits(s.captured + units))
if hold.units > units then
  put(s, 'h:' .. id, format('%.0f %.0f', hold.units - units, hold.till))
else
  drop(s, 'h:' .. id)
end
save(s)
journal(KEYS[3], 'capture', units, id)
return answer('done', s)
