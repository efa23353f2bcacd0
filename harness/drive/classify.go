package drive

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"headroom/harness/drive/http1"
)

// errBodyTooBig stops the reading of a body beyond Job.MaxBody.
var errBodyTooBig = errors.New("the body is beyond the limit")

// errorClass says what kind of failure kept a request from its response.
func errorClass(err error) string {
	var (
		dnsErr  *net.DNSError
		hostErr x509.HostnameError
		caErr   x509.UnknownAuthorityError
		certErr *tls.CertificateVerificationError
		tlsErr  tls.RecordHeaderError
		alert   tls.AlertError
		timeout net.Error
	)
	switch {
	case errors.Is(err, errBodyTooBig):
		return classBodyTooBig
	case errors.Is(err, syscall.ECONNREFUSED):
		return classRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, http1.ErrTruncated),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return classReset
	case errors.As(err, &dnsErr):
		return classDNS
	case errors.As(err, &certErr), errors.As(err, &hostErr), errors.As(err, &caErr), errors.As(err, &tlsErr), errors.As(err, &alert):
		return classTLS
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout() && !errors.Is(err, syscall.ETIMEDOUT):
		return classTimeout
	}
	return classOther
}
