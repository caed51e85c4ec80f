-- KEYS: session, journal. ARGV: now.
local s = session_at(KEYS[1])
if not s then return answer('unknown') end
check_journal(KEYS[2])
if s.for_good then return answer('replayed', s) end

sweep(s)
redis.call('HSET', KEYS[1], 'revoked', '1', 'revision', digits(s.revision + 1))
journal(KEYS[2], 'revoke', 0)
return answer('done', s)
