package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/mozci/mozci/job"
	"github.com/mozci/mozci/job/contract"
)

// trouble is why a place could not be used, in words, and what to do about it.
type trouble struct {
	reached bool // the place, or one that passes for it, answered
	why     string
	fix     string
}

// whereabouts is what is to be said of a place that cannot be used.
type whereabouts struct {
	name string // such as Treeherder
	flag string // that names it
}

// troubleOf says why a place could not be used.
func troubleOf(err error, w whereabouts, p *probe) trouble {
	status, page := 0, false
	if p != nil {
		status, page = p.answered()
	}
	var broken *contract.Error
	isBroken := errors.As(err, &broken)
	if t, ok := unconnected(err, w); ok && !isBroken {
		return t
	}
	switch {
	case isBroken && (page || strings.HasPrefix(strings.TrimSpace(broken.First), "<")):
		return trouble{
			true, "answers with a web page, not with data: it wants a sign-in, or it is not " + w.name,
			"check " + w.flag + "; behind a sign-in of its own mozci cannot pass",
		}
	case isBroken:
		return trouble{
			true, "answers with something else than " + w.name + " does: " + broken.Error(),
			"check " + w.flag + "; mozci check-sources --live shows what differs",
		}
	case status >= http.StatusBadRequest:
		return refusedBy(status, w)
	}
	return trouble{status != 0, saying(err), "check " + w.flag}
}

// refusedBy says what a status of an answer means.
func refusedBy(status int, w whereabouts) trouble {
	said := fmt.Sprintf("answers HTTP %d %s", status, http.StatusText(status))
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return trouble{true, said + ": it does not let you read", "see mozci help credentials"}
	case status == http.StatusProxyAuthRequired:
		return trouble{true, said, "put the user and password of your proxy into HTTPS_PROXY"}
	case status == http.StatusTooManyRequests:
		return trouble{true, said + ": it has had too many requests", "wait some minutes and run mozci doctor again"}
	case status >= http.StatusInternalServerError:
		return trouble{
			true, said + ": it is in trouble, or a proxy before it is",
			"wait some minutes and run mozci doctor again",
		}
	}
	return trouble{true, said, "check " + w.flag}
}

// unconnected says why no answer came; false where one did.
func unconnected(err error, w whereabouts) (trouble, bool) {
	check := "check " + w.flag + " and this machine's network"
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "proxyconnect" {
		return trouble{
			false, "the proxy does not answer: " + saying(op.Err),
			"check HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
		}, true
	}
	var name *net.DNSError
	var slow net.Error
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return trouble{false, "the name " + name.Name + " does not resolve", check}, true
	case errors.As(err, &name):
		return trouble{false, "no name server told where " + name.Name + " is", "check this machine's network"}, true
	case errors.Is(err, syscall.ECONNREFUSED):
		return trouble{false, "connection refused: nothing listens there", "check " + w.flag + ", and that " +
			w.name + " runs"}, true
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return trouble{false, "there is no way to it from this network", check}, true
	}
	if t, ok := insecure(err, w); ok {
		return t, true
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return trouble{false, "no answer within " + patience.String(), check + ", or try again later"}, true
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF),
		errors.Is(err, io.ErrUnexpectedEOF):
		return trouble{false, "the connection broke before the answer was whole", check}, true
	}
	return trouble{}, false
}

// insecure says what is wrong with the encryption; false where nothing is.
func insecure(err error, w whereabouts) (trouble, bool) {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &unknown):
		return trouble{
			false, "TLS: this machine does not know who signed its certificate",
			"add the authority to this machine's, or name its file in SSL_CERT_FILE",
		}, true
	case errors.As(err, &host):
		return trouble{false, "TLS: its certificate is of another name", "check " + w.flag}, true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return trouble{false, "TLS: its certificate has expired or is not valid yet", "check this machine's clock"},
			true
	case errors.As(err, &verification):
		return trouble{false, "TLS: its certificate is not valid: " + saying(verification.Err), "check " + w.flag}, true
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &header):
		return trouble{false, "it does not speak TLS there", "use http:// in " + w.flag + ", or another port"}, true
	case errors.As(err, &alert):
		return trouble{false, "TLS: it refuses the connection: " + alert.Error(), "check " + w.flag}, true
	}
	return trouble{}, false
}

// longestSaying is how much is shown of what a service says, in characters.
const longestSaying = 500

// saying is what an error says, in one line, without what was being done and the word for
// what it means.
func saying(err error) string {
	var e *job.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	said := strings.Join(strings.Fields(err.Error()), " ")
	for _, sentinel := range []error{
		job.ErrInvalid, job.ErrDenied, job.ErrNotFound, job.ErrNotScheduled, job.ErrUnavailable, job.ErrRefused,
	} {
		said = strings.TrimPrefix(said, sentinel.Error()+": ")
	}
	if all := []rune(said); len(all) > longestSaying {
		said = string(all[:longestSaying]) + "…"
	}
	return said
}

// broken is what is said of a place that could not be used.
func (e examined) broken(err error, w whereabouts, p *probe) examined {
	t := troubleOf(err, w, p)
	e.works, e.reached = false, no()
	if t.reached {
		e.reached = yes()
		e.state = e.url + " " + t.why
	} else {
		e.state = "not reached: " + e.url + ": " + t.why
	}
	e.fixes = append(e.fixes, t.fix)
	if e.acting != nil && e.acting.why == "" {
		e.acting.why = "it was not reached"
		if t.reached {
			e.acting.why = "its answers cannot be used"
		}
	}
	return e
}

// denied reports whether an error is of whoever asks.
func denied(err error) bool { return errors.Is(err, job.ErrDenied) }
