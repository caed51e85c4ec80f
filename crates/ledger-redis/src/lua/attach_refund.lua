-- KEYS: session, refund. ARGV: now, transaction hash, transactions made before, attempt.
local s = session_at(KEYS[1])
local r = refund_at(KEYS[2])
if not (s and r) then return answer('unknown') end
for i = 1, r.count do
  if r['tx' .. i] == ARGV[2] then return answer('replayed', s, KEYS[2]) end
end
if r.fate ~= 'pending' then return answer('replayed', s, KEYS[2]) end
-- Whoever made it must have known of all the others.
local knew_all = tonumber(ARGV[3]) == r.count
if s.frozen > 0 or not knew_all or r.count >= OUTGOING_ATTEMPTS_MAX then return answer('conflict') end

local n = digits(r.count + 1)
redis.call('HSET', KEYS[2], 'attempts', n, 'tx' .. n, ARGV[2], 'attempt' .. n, ARGV[4])
return answer('done', s, KEYS[2])
