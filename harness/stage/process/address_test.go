// SPDX-License-Identifier: Apache-2.0

package process

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestLoopbackAddress(t *testing.T) {
	within := netip.MustParsePrefix("127.64.0.0/10")
	seen := map[netip.Addr]bool{}
	for _, n := range []uint32{0, 1, 255, 256, 1<<22 - 1, 1<<32 - 1 - 5} {
		address := loopbackAddress(n)
		if !within.Contains(address) || !address.IsLoopback() || seen[address] {
			t.Errorf("address %d is %v", n, address)
		}
		seen[address] = true
	}
	if loopbackAddress(1<<22) != loopbackAddress(0) {
		t.Error("the addresses do not begin again")
	}
}

// Two runs never get the same address, and not before the first lets go.
func TestReserve(t *testing.T) {
	seen := map[string]bool{}
	for range 20 {
		r, err := reserve([]int{8025})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if seen[r.address] {
			t.Errorf("%s was given twice", r.address)
		}
		seen[r.address] = true
		if again, err := net.Listen("unix", "@headroom-"+r.address); err == nil {
			again.Close()
			t.Errorf("%s is free for another run", r.address)
		}
	}
}

func TestReserveSaysWhoTakesThePort(t *testing.T) {
	everywhere, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer everywhere.Close()
	_, err = reserve([]int{everywhere.Addr().(*net.TCPAddr).Port})
	if err == nil || !strings.Contains(err.Error(), "address already in use") || !strings.Contains(err.Error(), "ss -ltnp") {
		t.Errorf("error %v, want the cause and the remedy", err)
	}
}
