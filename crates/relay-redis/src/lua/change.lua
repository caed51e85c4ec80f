-- Changes a row if it is still what the change was made from.
-- KEYS: row, index of what is due, and the alias if there is one.
-- ARGV: name of the row, version it was made from ('' for none), new version ('' removes), content, kept until (ms),
-- due at (ms; '' for never).
local version = redis.call('HGET', KEYS[1], 'v') or ''
if version ~= ARGV[2] then
  if version == '' then
    return { 'moved' }
  end
  return { 'moved', version, redis.call('HGET', KEYS[1], 'c') }
end
if KEYS[3] then
  local owner = redis.call('GET', KEYS[3])
  if owner and owner ~= ARGV[1] then
    return { 'taken' }
  end
  redis.call('SET', KEYS[3], ARGV[1], 'PXAT', ARGV[5])
end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'v', ARGV[3], 'c', ARGV[4])
  redis.call('PEXPIREAT', KEYS[1], ARGV[5])
end
if ARGV[6] == '' then
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('ZADD', KEYS[2], ARGV[6], ARGV[1])
end
return { 'done' }
