// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
)

// The protocols' names in ALPN.
const (
	protoHTTP2 = "h2"
	protoHTTP1 = "http/1.1"
)

// tlsConfig is the configuration of connections to hostPort.
func (j *Job) tlsConfig(hostPort string) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	host, _, _ = strings.Cut(host, "%") // a zone has a meaning on this computer only
	config := &tls.Config{
		ServerName:         host,
		InsecureSkipVerify: j.TLS.SkipVerify, //nolint:gosec // the job asks for it
		NextProtos:         []string{protoHTTP2, protoHTTP1},
		// Small records bring the first bytes of a large body earlier, but cost the
		// driver more than that gains.
		DynamicRecordSizingDisabled: true,
	}
	switch j.Protocol {
	case ProtocolHTTP1:
		config.NextProtos = []string{protoHTTP1}
	case ProtocolHTTP2:
		config.NextProtos = []string{protoHTTP2}
	}
	if len(j.TLS.RootsPEM) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(j.TLS.RootsPEM) {
			return nil, errors.New("the certificates to trust hold none in PEM form")
		}
	}
	if len(j.TLS.CertPEM) > 0 {
		own, err := tls.X509KeyPair(j.TLS.CertPEM, j.TLS.KeyPEM)
		if err != nil {
			return nil, fmt.Errorf("the client's certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}

// checkTLS checks the certificates before any load.
func (j *Job) checkTLS() error {
	if (len(j.TLS.CertPEM) > 0) != (len(j.TLS.KeyPEM) > 0) {
		return errors.New("a client's certificate and its key are given together")
	}
	_, err := j.tlsConfig("host:443")
	return err
}

// protocolName names what a connection speaks; secure is nil for a plain connection.
func protocolName(secure *tls.ConnectionState, http2 bool) string {
	name := "HTTP/1.1"
	if http2 {
		name = "HTTP/2"
	}
	if secure != nil {
		name += " over " + tls.VersionName(secure.Version)
	}
	return name
}
