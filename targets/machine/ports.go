// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"net"
	"strconv"

	"headroom/targets/machine/spec"
)

// portsOf are the ports that a process takes: a link relays everything that
// comes to its own port, and NATS speaks its own language there. Both tell about
// themselves on the next port.
func portsOf(p spec.Process) []int {
	ports := make([]int, p.Kind.Ports())
	for i := range ports {
		ports[i] = p.Port + i
	}
	return ports
}

// ownAddress is where a program of ours answers for itself, as host:port: at the
// next port where its own is others' traffic.
func ownAddress(p spec.Process) string {
	if p.Kind.Facts().Relays {
		return nextPort(p.Near())
	}
	return p.Near()
}

// nextPort turns host:port into host:port+1.
func nextPort(address string) string {
	host, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	return net.JoinHostPort(host, strconv.Itoa(number+1))
}
