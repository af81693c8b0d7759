-- title: The host's device itself is slow
-- means: Requests of this guest wait in the host's block device, and the device needs far longer for each request than it
--   did at its best in this run, or than any disk should, whoever's the requests are: nobody is in the way.
-- needs: block@host, block@guest, clock@guest, images@guest
-- severity: warning
-- text: {victim}'s {direction}s on {disk} took {mean_ns} instead of {expected_ns} from {from_ns} on, {host_share} of the added
--   time in the host's device {host_device}: it needed {device_request_ns} for each request, whoever's, and carried {device_bps}
--   ({device_cost} times what it needs at its best).
-- advice: Look at the device and what lies below it: a degraded RAID, a disk that recovers sectors (smartctl, dmesg), a thin
--   or network volume with a limit of its own, another host on the same storage.
SELECT machine AS victim, host_device AS culprit, from_ns, until_ns,
       CASE WHEN device_cost >= 2.5 THEN 0.9 ELSE 0.6 END AS confidence,
       CASE WHEN until_ns - from_ns < 1e9 THEN 'info' WHEN mean_ns >= 4 * expected_ns THEN 'critical'
            ELSE 'warning' END AS severity,
       added_host_ns AS impact_ns,
       direction, coalesce(disk, device) AS disk, requests, mean_ns, expected_ns,
       added_host_ns / added_ns AS host_share, host_device, device_request_ns, device_bps, device_cost, slowest
FROM io_slow
WHERE added_host_ns >= 0.3 * added_ns
  AND (device_cost >= 2.5 OR (device_request_ns >= 5e6 AND device_bps < 20e6))

-- evidence: The slowest request, phase by phase
SELECT p.phase, p.from_ns - r.from_ns AS after_ns, p.until_ns - p.from_ns AS took_ns
FROM io_request AS r JOIN io_phase AS p ON p.request = r.id WHERE r.id = :slowest ORDER BY p.from_ns
