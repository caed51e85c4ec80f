-- KEYS: session, payment. ARGV: now, reason.
local s = session_at(KEYS[1])
local p = payment_at(KEYS[2])
if not p then return answer('unknown') end
if p.fate ~= 'pending' then return answer('replayed', s, KEYS[2]) end

redis.call('HSET', KEYS[2], 'fate', 'abandoned', 'reason', ARGV[2])
return answer('done', s, KEYS[2])
