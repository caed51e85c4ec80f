-- KEYS: session, journal. ARGV: now.
local s = session_at(KEYS[1])
if not s then return answer('unknown') end
check_journal(KEYS[2])
if s.frozen > 0 or (now < s.till and not s.closed) then return answer('conflict', s) end
if s.remaining == 0 then return answer('replayed', s) end

sweep(s)
redis.call('HSET', KEYS[1], 'expired', digits(s.expired + s.remaining))
journal(KEYS[2], 'expire', s.remaining)
return answer('done', s)
