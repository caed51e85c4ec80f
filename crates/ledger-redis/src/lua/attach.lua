-- KEYS: session, payment. ARGV: now, transaction hash, attempt.
local s = session_at(KEYS[1])
local p = payment_at(KEYS[2])
if not p then return answer('unknown') end
for i = 1, p.count do
  if p['tx' .. i] == ARGV[2] then return answer('replayed', s, KEYS[2]) end
end
if p.fate ~= 'pending' then return answer('replayed', s, KEYS[2]) end
if p.count >= ATTEMPTS_MAX then return answer('conflict') end

local n = digits(p.count + 1)
redis.call('HSET', KEYS[2], 'attempts', n, 'tx' .. n, ARGV[2], 'attempt' .. n, ARGV[3])
return answer('done', s, KEYS[2])
