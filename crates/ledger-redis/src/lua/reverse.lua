-- KEYS: session, streams, journal, live streams. ARGV: now, stream, fence.
local id = ARGV[2]

local s = session_at(KEYS[1])
if not s then return answer('unknown') end
local st = stream_at(KEYS[2], id)
check_journal(KEYS[3])
check_live(KEYS[4])
money_of(s)
if not st then return answer('unknown', s) end
if tonumber(ARGV[3]) ~= st.fence then return answer('fenced', s) end
if st.reversed then return answer('replayed', s) end
local in_time = st.posted_at ~= '-' and now - tonumber(st.posted_at) <= REVERSE_WINDOW
-- A unit that was forgone was captured from nobody.
if st.posted ~= 1 or st.reopened or not in_time or s.captured < 1 or s.captured - 1 + s.expired < s.handed_units then
  return answer('conflict', s)
end

sweep(s)
st.posted = 0
st.untold = 0
st.reversed = true
st.live = 0
save_stream(KEYS[2], id, st)
save_live(KEYS[4], id, st)
put(s, 'captured', digits(s.captured - 1))
drop(s, 'h:' .. id)
save(s)
journal(KEYS[3], 'reverse', 1, id)
return answer('done', s)
