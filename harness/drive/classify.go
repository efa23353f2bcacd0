// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"headroom/harness/drive/http1"
	"headroom/harness/drive/http2"
)

// errBodyTooBig stops the reading of a body beyond Job.MaxBody.
var errBodyTooBig = errors.New("the body is beyond the limit")

// closedIdle is net/http's text for a kept connection that ended before the
// answer began; it exports no value of it.
const closedIdle = "http: server closed idle connection"

// The names that crypto/tls gives to alerts after the handshake; it exports no type for
// them. With TLS 1.3 a server refuses a client's certificate only then.
const (
	alertReceived = "remote error"
	alertSent     = "local error"
)

// errNoHTTP2 ends a connection that does not speak HTTP/2, which the job asks for.
var errNoHTTP2 = errors.New("the server does not speak HTTP/2")

// handshakeError says that TLS did not come about.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// errBacklog is how a Unix socket refuses a connection that the server is too
// slow to accept.
var errBacklog = fmt.Errorf("connect: the socket's backlog is full: %w", syscall.ECONNREFUSED)

// endedAtOnce is the failure of a connection that the server closes, or writes to, before
// the first request. A server that refuses the client's certificate does that.
func endedAtOnce(why error) error {
	return fmt.Errorf("the server ended the connection right after the handshake: %w", why)
}

// errDialTimeout ends a connection that could not be made in time.
var errDialTimeout = errors.New("no connection within the timeout")

// errorClass says what kind of failure kept a request from its response.
func errorClass(err error) string {
	var (
		dnsErr  *net.DNSError
		hostErr x509.HostnameError
		caErr   x509.UnknownAuthorityError
		certErr *tls.CertificateVerificationError
		tlsErr  tls.RecordHeaderError
		alert   tls.AlertError
		opErr   *net.OpError
		timeout net.Error

		handshakeErr *handshakeError
		resetErr     http2.ResetError
		goAwayErr    *http2.GoAwayError
		answerErr    *http2.AnswerError
		brokenErr    *http2.ConnectionError
	)
	switch {
	case errors.Is(err, errBodyTooBig):
		return classBodyTooBig
	case errors.Is(err, errNoHTTP2):
		return classProtocol
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return classNoPort
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return classNoFile
	case errors.Is(err, errDialTimeout):
		return classTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return classRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, http1.ErrTruncated),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.HasSuffix(err.Error(), closedIdle):
		return classReset
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return classUnreachable
	case errors.As(err, &dnsErr):
		return classDNS
	case errors.As(err, &certErr), errors.As(err, &hostErr), errors.As(err, &caErr), errors.As(err, &tlsErr), errors.As(err, &alert),
		errors.As(err, &opErr) && (opErr.Op == alertReceived || opErr.Op == alertSent):
		return classTLS
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout() && !errors.Is(err, syscall.ETIMEDOUT):
		return classTimeout
	case errors.As(err, &resetErr), errors.As(err, &goAwayErr):
		return classReset
	case errors.As(err, &answerErr), errors.As(err, &brokenErr):
		return classProtocol
	case errors.As(err, &handshakeErr):
		return classTLS
	}
	return classOther
}
