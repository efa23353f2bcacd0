// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// place is where requests are sent, as all loops know it.
type place struct {
	hostPort   string
	scheme     string
	tls        *tls.Config // nil: plain
	wantsHTTP2 bool        // or nothing
	key        string      // of what a client keeps

	latest  atomic.Pointer[[]unix.Sockaddr] // what the name stands for
	lookUps chan struct{}                   // asks for another look-up
}

// lookUpAgain asks for a look-up of the name after a connection has failed: the name may
// have other addresses now.
func (p *place) lookUpAgain() {
	select {
	case p.lookUps <- struct{}{}:
	default: // a look-up is pending, or the place has no name
	}
}

// Look-ups of names whose addresses may have changed.
const (
	resolveTimeout = 10 * time.Second
	// lookUpGap keeps look-ups apart while every connection fails.
	lookUpGap = time.Second
)

// resolve looks the place up for the first time.
func (p *place) resolve(ctx context.Context, unixSocket string) error {
	if unixSocket != "" {
		p.latest.Store(&[]unix.Sockaddr{&unix.SockaddrUnix{Name: unixSocket}})
		return nil
	}
	addrs, err := lookUp(ctx, p.hostPort)
	if err != nil {
		return err
	}
	p.latest.Store(&addrs)
	return nil
}

// follow looks the name up again until ctx ends: on request, and every so often if every
// is above 0.
func (p *place) follow(ctx context.Context, every time.Duration) {
	host, _, _ := net.SplitHostPort(p.hostPort)
	if _, err := netip.ParseAddr(host); err == nil {
		return // an address needs no look-up
	}
	var tick <-chan time.Time
	if every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		case <-p.lookUps:
			if !sleep(ctx, lookUpGap) {
				return
			}
		}
		addrs, err := lookUp(ctx, p.hostPort)
		if err == nil && !slices.EqualFunc(addrs, *p.latest.Load(), sameAddr) {
			p.latest.Store(&addrs)
		}
	}
}

// lookUp finds the addresses of host and port, IPv4 first: a container
// published on 127.0.0.1 does not answer on ::1.
func lookUp(ctx context.Context, hostPort string) ([]unix.Sockaddr, error) {
	host, portText, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("resolve the target's name: %w", err)
	}
	var v4, v6 []unix.Sockaddr
	for _, ip := range ips {
		if ip = ip.Unmap(); ip.Is4() {
			v4 = append(v4, &unix.SockaddrInet4{Port: port, Addr: ip.As4()})
			continue
		}
		addr := &unix.SockaddrInet6{Port: port, Addr: ip.As16()}
		if zone := ip.Zone(); zone != "" {
			device, err := net.InterfaceByName(zone)
			if err != nil {
				return nil, fmt.Errorf("resolve the target's zone: %w", err)
			}
			addr.ZoneId = uint32(device.Index)
		}
		v6 = append(v6, addr)
	}
	if len(v4)+len(v6) == 0 {
		return nil, errors.New("the target's name has no address")
	}
	return append(v4, v6...), nil
}

// sleep returns true after d, or false when ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
