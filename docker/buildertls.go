package docker

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"

	"github.com/moby/buildkit/client"

	"rebuild/impact"
	"rebuild/impact/safefile"
)

// certificates are with whom, and as whom, a builder is spoken to by TLS.
type certificates struct{ ca, cert, key, server string }

// splitCertificates takes the certificates off an address:
// tcp://HOST:PORT,cacert=FILE,cert=FILE,key=FILE,servername=NAME, in the words of buildx's
// remote driver (driver/remote/factory.go).
func splitCertificates(asked, from string) (address string, certs *certificates, err error) {
	address, rest, ok := strings.Cut(asked, ",")
	if !ok {
		return asked, nil, nil
	}
	wrong := func(format string, args ...any) error {
		return &impact.Fault{
			Cause: fmt.Sprintf("%s %s: ", from, asked) + fmt.Sprintf(format, args...),
			Hint:  "--builder " + address + ",cacert=ca.pem,cert=cert.pem,key=key.pem",
		}
	}
	certs = &certificates{}
	fields := map[string]*string{"cacert": &certs.ca, "cert": &certs.cert, "key": &certs.key, "servername": &certs.server}
	for pair := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(pair, "=")
		field := fields[key]
		if field == nil || value == "" {
			return "", nil, wrong("%q is none of cacert=FILE, cert=FILE, key=FILE, servername=NAME", pair)
		}
		*field = value
	}
	switch scheme, _, _ := strings.Cut(address, "://"); {
	case scheme != "tcp":
		return "", nil, wrong("certificates are for tcp:// addresses")
	case certs.ca == "":
		return "", nil, wrong("cacert is missing: without it nobody knows who answers")
	case (certs.cert == "") != (certs.key == ""):
		return "", nil, wrong("cert and key go together")
	}
	if err := certs.check(); err != nil {
		return "", nil, wrong("%v", err)
	}
	return address, certs, nil
}

// check reads the files once, since BuildKit's client says nothing of their text.
func (c *certificates) check() error {
	ca, err := safefile.Read(c.ca, safefile.Text)
	if err != nil {
		return err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(ca) {
		return fmt.Errorf("%s holds no certificate", c.ca)
	}
	if c.cert != "" {
		if _, err := tls.LoadX509KeyPair(c.cert, c.key); err != nil {
			return fmt.Errorf("%s and %s: %w", c.cert, c.key, err)
		}
	}
	return nil
}

func (c *certificates) options() []client.ClientOpt {
	if c == nil {
		return nil
	}
	opts := []client.ClientOpt{client.WithServerConfig(c.server, c.ca)}
	if c.cert != "" {
		opts = append(opts, client.WithCredentials(c.cert, c.key))
	}
	return opts
}
