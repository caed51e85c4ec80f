-- KEYS: lease. ARGV: now, holder, life in ms.
local found = redis.call('GET', KEYS[1])
if found then
  local till, holder = string.match(found, '^(%d+) (.*)$')
  if int(till, 'lease') > now and holder ~= ARGV[2] then return 0 end
end

redis.call('SET', KEYS[1], digits(deadline(tonumber(ARGV[3]))) .. ' ' .. ARGV[2])
return 1
