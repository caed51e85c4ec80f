-- KEYS: payout. ARGV: now, transaction hash, transactions made before, attempt.
local p = payout_at(KEYS[1])
if not p then return { 'unknown', {} } end
if p.fate == 'gathering' then return { 'conflict', {} } end
for i = 1, p.count do
  if p['tx' .. i] == ARGV[2] then return payout_answer('replayed', KEYS[1]) end
end
if p.fate ~= 'pending' then return payout_answer('replayed', KEYS[1]) end
-- Whoever made it must have known of all the others.
if tonumber(ARGV[3]) ~= p.count or p.count >= OUTGOING_ATTEMPTS_MAX then return { 'conflict', {} } end

local n = digits(p.count + 1)
redis.call('HSET', KEYS[1], 'attempts', n, 'tx' .. n, ARGV[2], 'attempt' .. n, ARGV[4])
return payout_answer('done', KEYS[1])
