// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"errors"
	"fmt"
)

// Code says why a stream or a connection ends: RFC 9113, section 7.
type Code uint32

// The codes that this package sends or looks for.
const (
	NoError          Code = 0x0
	ProtocolError    Code = 0x1
	FlowControlError Code = 0x3
	FrameSizeError   Code = 0x6
	RefusedStream    Code = 0x7
	Cancelled        Code = 0x8
	CompressionError Code = 0x9
	EnhanceYourCalm  Code = 0xb
	lastCode              = 0xd
)

var codeNames = [lastCode + 1]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
	"FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
	"INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

func (c Code) String() string {
	if c <= lastCode {
		return codeNames[c]
	}
	return fmt.Sprintf("error code %#x", uint32(c))
}

// ResetError means that the server reset the stream before its answer was
// complete.
type ResetError Code

func (e ResetError) Error() string { return "the server reset the stream: " + Code(e).String() }

// AnswerError means that an answer breaks the rules; the connection is still of
// use.
type AnswerError struct {
	Code   Code // what the server was told
	Reason string
}

func (e *AnswerError) Error() string {
	return "the answer breaks HTTP/2, " + e.Code.String() + ": " + e.Reason
}

// ConnectionError means that the server broke the rules in a way that makes the
// connection useless.
type ConnectionError struct {
	Code   Code // what the server was told
	Reason string
}

func (e *ConnectionError) Error() string {
	return "the server breaks HTTP/2, " + e.Code.String() + ": " + e.Reason
}

// GoAwayError means that the server ended the connection.
type GoAwayError struct {
	Code  Code
	Debug string // what the server said, cut short
}

func (e *GoAwayError) Error() string {
	text := "the server ended the connection: GOAWAY " + e.Code.String()
	if e.Debug != "" {
		text += fmt.Sprintf(" (%q)", e.Debug)
	}
	return text
}

// unprocessedError marks a request that the server did not look at.
type unprocessedError struct{ err error }

func (e *unprocessedError) Error() string { return e.err.Error() + "; it did not process the request" }
func (e *unprocessedError) Unwrap() error { return e.err }

// Unprocessed says whether err means that the server certainly did not process
// the request, so that it is safe to send again: RFC 9113, section 8.7.
func Unprocessed(err error) bool {
	var reset ResetError
	if errors.As(err, &reset) {
		return Code(reset) == RefusedStream
	}
	var unprocessed *unprocessedError
	return errors.As(err, &unprocessed)
}

func broken(code Code, format string, args ...any) error {
	return &ConnectionError{Code: code, Reason: fmt.Sprintf(format, args...)}
}
