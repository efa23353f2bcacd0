package machine

import (
	"net"
	"strconv"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// portsOf are the ports that a process takes: a link relays everything that
// comes to its own port, and NATS speaks its own language there, so that both
// tell about themselves on the next one.
func portsOf(p spec.Process) []int {
	if p.Kind == scenarios.KindLink || p.Kind == scenarios.KindNATS {
		return []int{p.Port, p.Port + 1}
	}
	return []int{p.Port}
}

// nextPort turns host:port into host:port+1.
func nextPort(address string) string {
	host, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	return net.JoinHostPort(host, strconv.Itoa(number+1))
}
