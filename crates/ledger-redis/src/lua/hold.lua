-- KEYS: session, streams, live streams. ARGV: now, stream, fence or '', to, lease in ms, most streams.
local id, fence, to = ARGV[2], ARGV[3], tonumber(ARGV[4])

local s = session_at(KEYS[1])
if not s then return answer('unknown') end
local st = stream_at(KEYS[2], id)
check_live(KEYS[3])
if s.revoked then return answer('revoked', s) end
if s.closed then return answer('closed', s) end
if now >= s.till then return answer('expired', s) end

local replaces = false
if not st then
  if fence ~= '' then return answer('unknown', s) end
  st = new_stream(1)
elseif fence ~= '' then
  if tonumber(fence) ~= st.fence then return answer('fenced', s) end
  if st.reversed then return answer('conflict', s) end
elseif st.posted == 0 and not s.holds[id] then
  st = new_stream(st.fence + 1)
elseif now - st.first <= REOPEN_WINDOW then
  st.fence = st.fence + 1
  -- What its earlier connection was served stays paid: no reversal from here on.
  st.reopened = st.posted > 0
  replaces = true
else
  return answer('conflict', s)
end
if to == 0 then return answer('conflict', s) end
if fence == '' and not replaces and open_streams(KEYS[3]) >= tonumber(ARGV[6]) then return answer('toomany', s) end

local hold = s.holds[id]
local held = hold and hold.units or 0
local more = math.max(0, to - st.posted - held)
if more > s.remaining then return short(s, id) end

sweep(s)
if replaces and hold and not string.find(s.goods, ' stream$') then
  -- What the earlier opening used of its lease it cannot tell any more: all of it counts as used.
  served(s, id, st, st.posted + held)
  put(s, 'captured', digits(s.captured))
  drop(s, 'h:' .. id)
  hold, held = nil, 0
end
local till = deadline(tonumber(ARGV[5]))
local units = held + more
if units > 0 then
  local held_till = math.max(till, hold and hold.till or 0)
  put(s, 'h:' .. id, format('%.0f %.0f', units, held_till))
end
-- A stream being opened counts as open.
st.live = math.max(st.live, till)
save_stream(KEYS[2], id, st)
save_live(KEYS[3], id, st)
if replaces then put(s, 'revision', digits(s.revision + 1)) end
save(s)
return held_answer(s, st)
