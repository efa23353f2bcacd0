// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"net"
	"strconv"

	"headroom/targets/machine/spec"
)

// portsOf are the ports that a process takes. Some tell about themselves on the port
// after their own, where only their users' language is spoken.
func portsOf(p spec.Process) []int {
	ports := make([]int, max(1, p.Facts.Ports))
	for i := range ports {
		ports[i] = p.Port + i
	}
	return ports
}

// ownAddress is where a program of ours answers for itself, as host:port: at the
// next port where its own is others' traffic.
func ownAddress(p spec.Process) string {
	if p.Facts.Relays {
		return NextPort(p.Near())
	}
	return p.Near()
}

// NextPort turns host:port into host:port+1.
func NextPort(address string) string {
	host, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	return net.JoinHostPort(host, strconv.Itoa(number+1))
}
