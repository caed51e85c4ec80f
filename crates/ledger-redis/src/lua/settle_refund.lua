-- KEYS: session, refund. ARGV: now, landing.
local s = session_at(KEYS[1])
local r = refund_at(KEYS[2])
if not (s and r) then return answer('unknown') end
if r.fate ~= 'pending' then return answer('replayed', s, KEYS[2]) end

redis.call('HSET', KEYS[2], 'fate', 'paid', 'landing', ARGV[2])
return answer('done', s, KEYS[2])
