// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"net"
	"strconv"

	"headroom/scenarios"
)

// EntryURLs returns where users talk to topology t, by where they are; "" is
// the main entry. host names a machine as the stage's network knows it.
func EntryURLs(t scenarios.Topology, host func(machine string) string) (map[string]string, error) {
	urls := map[string]string{}
	for _, from := range append(t.Places(), "") {
		at, err := t.FindEntry(from)
		if err != nil {
			return nil, err
		}
		urls[from] = "http://" + net.JoinHostPort(host(at.Machine.Name), strconv.Itoa(at.Process.Port))
	}
	return urls, nil
}
