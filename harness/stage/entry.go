package stage

import (
	"net"
	"strconv"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// EntryURLs returns where users talk to topology t, by where they are; "" is
// the main entry. host names a machine as the stage's network knows it.
func EntryURLs(t scenarios.Topology, host func(machine string) string) (map[string]string, error) {
	urls := map[string]string{"": ""}
	for from := range t.Entries {
		urls[from] = ""
	}
	for from := range urls {
		machine, port, err := spec.Entry(t, from)
		if err != nil {
			return nil, err
		}
		urls[from] = "http://" + net.JoinHostPort(host(machine), strconv.Itoa(port))
	}
	return urls, nil
}
