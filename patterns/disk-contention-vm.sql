-- title: Another guest has the disk
-- means: Requests of this guest wait in the host's block device, which works for another guest meanwhile. The device
--   does what it usually does; there is more to do for it.
-- needs: block@host, block@guest, clock@guest, images@guest
-- severity: warning
-- text: {victim}'s {direction}s on {disk} took {mean_ns} instead of {expected_ns} from {from_ns} on, {times} times as long.
--   {host_share} of the added time is waiting for the host's device {host_device}, which had {culprit}'s {culprit_direction}s in
--   work: {bytes_share} of the bytes and {requests_share} of the requests in flight there.
-- advice: Limit {culprit}'s disk (QEMU's throttling, or io.max of its cgroup), or move one of the two images to another device.
--   `ivtrace io RUN -g {victim} --from {from_s} --until {until_s}` shows the requests.
WITH owner AS (
  SELECT slow, machine, sum(others_share) AS share, sum(bytes_share) AS bytes_share,
         sum(requests_share) AS requests_share, direction, max(others_share)
  FROM io_slow_load WHERE others_share IS NOT NULL AND machine <> 'host' GROUP BY slow, machine
), others AS (
  SELECT slow, sum(bytes_share + requests_share) / 2 AS share
  FROM io_slow_load WHERE others_share IS NOT NULL GROUP BY slow
)
SELECT s.machine AS victim, owner.machine AS culprit, owner.share AS share, s.from_ns, s.until_ns,
       CASE s.baseline WHEN 'alone' THEN 0.9 ELSE 0.6 END AS confidence,
       CASE WHEN s.until_ns - s.from_ns < 1e9 THEN 'info' WHEN s.mean_ns >= 4 * s.expected_ns THEN 'critical'
            ELSE 'warning' END AS severity,
       s.added_host_ns * others.share * owner.share AS impact_ns,
       s.direction, coalesce(s.disk, s.device) AS disk, s.requests, s.mean_ns, s.expected_ns,
       s.mean_ns / s.expected_ns AS times, s.added_host_ns / s.added_ns AS host_share, s.host_device,
       owner.direction AS culprit_direction, owner.bytes_share, owner.requests_share, s.device_cost,
       s.slowest, printf('%.3f', s.from_ns / 1e9) AS from_s, printf('%.3f', s.until_ns / 1e9) AS until_s
FROM io_slow AS s JOIN owner ON owner.slow = s.id JOIN others ON others.slow = s.id
WHERE (s.added_host_ns >= 0.3 * s.added_ns OR s.added_host_ns >= s.requests * s.expected_ns)
  AND others.share >= 0.3 AND owner.share >= 0.15 AND coalesce(s.device_cost, 1) < 2.5
ORDER BY s.id, owner.share DESC

-- evidence: The slowest request, phase by phase
SELECT p.phase, p.from_ns - r.from_ns AS after_ns, p.until_ns - p.from_ns AS took_ns
FROM io_request AS r JOIN io_phase AS p ON p.request = r.id WHERE r.id = :slowest ORDER BY p.from_ns
-- evidence: Requests in flight on the device meanwhile
SELECT machine, task, direction, bytes_share, requests_share FROM io_slow_load
WHERE slow IN (SELECT id FROM io_slow WHERE slowest = :slowest) ORDER BY bytes_share + requests_share DESC LIMIT 5
