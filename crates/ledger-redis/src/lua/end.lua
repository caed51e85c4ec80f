-- KEYS: session, streams, journal, live streams. ARGV: now, stream, fence, used.
local id = ARGV[2]

local s = session_at(KEYS[1])
if not s then return answer('unknown') end
local st = stream_at(KEYS[2], id)
check_journal(KEYS[3])
check_live(KEYS[4])
if not st then return answer('unknown', s) end
if tonumber(ARGV[3]) ~= st.fence then return answer('fenced', s) end

local live, forgone, more = st.live > now, 0, false
-- What was reversed was given back, whatever is said of it now.
if not st.reversed then forgone, more = served(s, id, st, tonumber(ARGV[4])) end
local held = unhold(s, id)
if not (live or held or more or st.untold > 0) then return answer('replayed', s) end

sweep(s)
if forgone > 0 then journal(KEYS[3], 'forgo', forgone, id) end
tell(KEYS[3], id, st)
st.live = 0
put(s, 'captured', digits(s.captured))
drop(s, 'h:' .. id)
save(s)
save_stream(KEYS[2], id, st)
save_live(KEYS[4], id, st)
return answer('done', s)
