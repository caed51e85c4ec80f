-- KEYS: session, streams. ARGV: now, stream, fence or '', to, lease in ms.
local id, fence, to = ARGV[2], ARGV[3], tonumber(ARGV[4])

local s = session_at(KEYS[1])
if not s then return answer('unknown') end
local st = stream_at(KEYS[2], id)
if s.revoked then return answer('revoked', s) end
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

local hold = s.holds[id]
local held = hold and hold.units or 0
local more = math.max(0, to - st.posted - held)
if more > s.remaining then
  return answer('exhausted', s, nil, s.holding > (hold and 1 or 0) and 1 or 0)
end

sweep(s)
save_stream(KEYS[2], id, st)
local units = held + more
if units > 0 then
  local till = math.max(deadline(tonumber(ARGV[5])), hold and hold.till or 0)
  redis.call('HSET', KEYS[1], 'h:' .. id, digits(units) .. ' ' .. digits(till))
end
if replaces then redis.call('HSET', KEYS[1], 'revision', digits(s.revision + 1)) end
local since = st.posted_at == '-' and 0 or math.max(0, now - tonumber(st.posted_at))
return answer('held', s, nil, st.fence, st.posted, since)
