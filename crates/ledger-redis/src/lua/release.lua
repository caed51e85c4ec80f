-- KEYS: lease. ARGV: now, holder.
local found = redis.call('GET', KEYS[1])
if found and string.match(found, '^%d+ (.*)$') == ARGV[2] then redis.call('DEL', KEYS[1]) end
return 1
