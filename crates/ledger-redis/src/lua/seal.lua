-- KEYS: provider, payout. ARGV: now, gas.
local gas = tonumber(ARGV[2])

local a = provider_at(KEYS[1])
local p = payout_at(KEYS[2])
if not (a.exists and p) then return { 'unknown', {} } end
if p.fate ~= 'gathering' then return payout_answer('replayed', KEYS[2]) end
if gas >= p.gathered then return { 'conflict', {} } end

redis.call('HSET', KEYS[2], 'gas', digits(gas), 'sealed', digits(now), 'fate', 'pending')
redis.call('HSET', KEYS[1], 'gathering', '0')
return payout_answer('done', KEYS[2])
