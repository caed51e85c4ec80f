-- KEYS: session, streams, journal, live streams.
-- ARGV: now, stream, fence, used, need, want, lease in ms, live for in ms.
local id = ARGV[2]
local used, need, want = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

local s = session_at(KEYS[1])
if not s then return answer('unknown') end
local st = stream_at(KEYS[2], id)
check_journal(KEYS[3])
check_live(KEYS[4])
if not st then return answer('unknown', s) end
if tonumber(ARGV[3]) ~= st.fence then return answer('fenced', s) end
-- A word that was on its way when the stream ended must not make it live again.
if st.reversed or st.live == 0 or used > need or need > want or want > MAX then return answer('conflict', s) end
-- It was overtaken by a later word, whose hold stands.
if used < st.posted then return held_answer(s, st) end

sweep(s)
local forgone = served(s, id, st, used)
if forgone > 0 then journal(KEYS[3], 'forgo', forgone, id) end
unhold(s, id)

local outcome = 'held'
if s.revoked then
  outcome = 'revoked'
elseif s.closed then
  outcome = 'closed'
elseif now >= s.till then
  outcome = 'expired'
elseif math.max(0, need - st.posted) > s.remaining then
  outcome = 'exhausted'
end

local units = 0
if outcome == 'held' then
  local recalled = s.recalled > 0 and now - s.recalled < RECALL_FRESH
  local holders = s.holding + 1 + (recalled and 1 or 0)
  local part = math.floor(s.remaining / (2 * holders))
  if not recalled then part = math.max(part, 1) end
  units = math.min(math.max(math.min(math.max(0, want - st.posted), part), math.max(0, need - st.posted)), s.remaining)
  st.live = math.max(st.live, deadline(tonumber(ARGV[8])))
end
put(s, 'captured', digits(s.captured))
if units > 0 then
  put(s, 'h:' .. id, format('%.0f %.0f', units, deadline(tonumber(ARGV[7]))))
else
  drop(s, 'h:' .. id)
end
save(s)
if now - st.told >= TELL_EVERY then tell(KEYS[3], id, st) end
save_stream(KEYS[2], id, st)
save_live(KEYS[4], id, st)
if outcome == 'exhausted' then return short(s, id) end
if outcome ~= 'held' then return answer(outcome, s) end
return held_answer(s, st)
