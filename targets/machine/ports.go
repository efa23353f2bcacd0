// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"net"
	"strconv"

	"headroom/targets/machine/spec"
)

// portsOf are the ports that a process takes. Some programs speak only their users'
// protocol at their port, and answer questions about themselves at the next one.
func portsOf(p spec.Process) []int {
	ports := make([]int, max(1, p.Facts.Ports))
	for i := range ports {
		ports[i] = p.Port + i
	}
	return ports
}

// ownAddress is where a program of ours answers questions about itself, as host:port.
// A program that relays others' traffic answers at the port after its own.
func ownAddress(p spec.Process) string {
	if p.Facts.Relays {
		return NextPort(p.LocalAddress())
	}
	return p.LocalAddress()
}

// NextPort turns host:port into host:port+1.
func NextPort(address string) string {
	host, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	return net.JoinHostPort(host, strconv.Itoa(number+1))
}
