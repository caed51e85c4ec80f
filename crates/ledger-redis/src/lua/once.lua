-- KEYS: mark. ARGV: now, life in ms.
local used_till = redis.call('GET', KEYS[1])
if used_till and int(used_till, 'mark') > now then return 0 end

local life = tonumber(ARGV[2])
if life < 1 then return 1 end
redis.call('SET', KEYS[1], digits(deadline(life)))
-- By this server's own clock the mark may go when it is over; by the caller's, it must be kept.
if ARGV[1] == '' then redis.call('PEXPIRE', KEYS[1], digits(life)) end
return 1
