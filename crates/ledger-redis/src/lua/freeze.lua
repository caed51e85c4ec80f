-- KEYS: session, payment, journal. ARGV: now, payment id.
local s = session_at(KEYS[1])
local p = payment_at(KEYS[2])
check_journal(KEYS[3])
if not p then return answer('unknown') end
if p.gone == '1' or p.fate ~= 'credited' then return answer('replayed', s, KEYS[2]) end

if p.plain == '1' then s = nil end
if s then sweep(s) end
redis.call('HSET', KEYS[2], 'gone', '1')
if s then
  redis.call('HSET', KEYS[1], 'frozen', digits(s.frozen + 1), 'revision', digits(s.revision + 1))
  journal(KEYS[3], 'freeze', 0, nil, ARGV[2])
end
return answer('done', s, KEYS[2])
