-- KEYS: purse. ARGV: now, spending, window in ms, then for each charge: counter, amount, limit.
-- Returns 0 (done), 1 (charged before) or 2 (short), the place of the charge that is, and the rest of the window in ms.
local till = redis.call('HGET', KEYS[1], 'till')
till = till and int(till, 'purse') or 0
local over = till <= now
if over then till = deadline(tonumber(ARGV[3])) end
if not over and redis.call('HEXISTS', KEYS[1], 'i:' .. ARGV[2]) == 1 then return { 1, 0, digits(0) } end

local sums = { 'i:' .. ARGV[2], '1' }
for i = 4, #ARGV, 3 do
  local name = 'n:' .. ARGV[i]
  local spent = not over and redis.call('HGET', KEYS[1], name)
  local sum = (spent and int(spent, 'purse') or 0) + tonumber(ARGV[i + 1])
  if sum > math.min(tonumber(ARGV[i + 2]), MAX) then return { 2, (i - 4) / 3, digits(till - now) } end
  table.insert(sums, name)
  table.insert(sums, digits(sum))
end

if over then
  redis.call('UNLINK', KEYS[1])
  redis.call('HSET', KEYS[1], 'till', digits(till))
  -- By this server's own clock the purse may go when its window is over; by the caller's, it must be kept.
  if ARGV[1] == '' then redis.call('PEXPIRE', KEYS[1], digits(till - now)) end
end
redis.call('HSET', KEYS[1], unpack(sums))
return { 0, 0, digits(0) }
