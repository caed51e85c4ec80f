-- KEYS: payout. ARGV: now, landing.
local p = payout_at(KEYS[1])
if not p then return { 'unknown', {} } end
if p.fate == 'gathering' then return { 'conflict', {} } end
if p.fate ~= 'pending' then return payout_answer('replayed', KEYS[1]) end

redis.call('HSET', KEYS[1], 'fate', 'paid', 'landing', ARGV[2])
return payout_answer('done', KEYS[1])
