// SPDX-License-Identifier: Apache-2.0

package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// addressAttempts is how many addresses are tried. When all fail, a port is taken on
// every address.
const addressAttempts = 32

// loopbackAddress is the n-th of the 2^22 loopback addresses that machines get: those
// of 127.64.0.0/10, which nobody is likely to have set up by hand.
func loopbackAddress(n uint32) netip.Addr {
	const base, count = 127<<24 | 64<<16, 1 << 22
	var octets [4]byte
	binary.BigEndian.PutUint32(octets[:], base+n%count)
	return netip.AddrFrom4(octets)
}

// reservation is a loopback address that is ours until it is closed.
type reservation struct {
	address string
	io.Closer
}

// reserve finds a loopback address on which all the ports are free. Only one headroom
// on this host has the address at a time: its process holds a socket whose abstract
// name is the address. The name belongs to the network's name space, and is free
// again when the process ends.
func reserve(ports []int) (reservation, error) {
	first := rand.Uint32()
	var last error
	for i := range uint32(addressAttempts) {
		address := loopbackAddress(first + i).String()
		held, err := net.Listen("unix", "@headroom-"+address)
		if errors.Is(err, syscall.EADDRINUSE) {
			last = fmt.Errorf("%s is another run's", address)
			continue
		}
		if err != nil {
			return reservation{}, fmt.Errorf("reserve a loopback address: %w", err)
		}
		if last = tryPorts(address, ports); last == nil {
			return reservation{address, held}, nil
		}
		held.Close()
		if !errors.Is(last, syscall.EADDRINUSE) {
			break
		}
	}
	return reservation{}, fmt.Errorf("no loopback address can be used: %w; a program that listens on all addresses takes a port of every machine: stop it (`ss -ltnp` shows it), or choose another port in the scenario", last)
}

// tryPorts binds every port of an address, and lets go of them.
func tryPorts(address string, ports []int) error {
	for _, port := range ports {
		listener, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		if err != nil {
			return err
		}
		listener.Close()
	}
	return nil
}
