package docker_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rebuild/docker"
	"rebuild/docker/enginetest"
	"rebuild/impact"
)

// A builder behind TLS that wants to know who speaks: here the engine's own BuildKit.
func TestBuilderTLS(t *testing.T) {
	backend, _ := strings.CutPrefix(grpcSocket(t, enginetest.Connect(t)), "unix://")
	dir := t.TempDir()
	pair := authority(t, dir, "ca.pem", "cert.pem", "key.pem")
	authority(t, dir, "other-ca.pem", "other-cert.pem", "other-key.pem")
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(read(t, filepath.Join(dir, "ca.pem")))
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"h2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			front, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer front.Close()
				back, err := net.Dial("unix", backend)
				if err != nil {
					return
				}
				defer back.Close()
				go copyAndEnd(back, front)
				_, _ = io.Copy(front, back)
			}()
		}
	}()
	address := "tcp://" + l.Addr().String()
	file := func(name string) string { return filepath.Join(dir, name) }
	ask := func(certs string) error {
		e, err := docker.Connect(t.Context(), docker.Options{Builders: []string{address + certs}, Load: docker.NoLoad})
		if err != nil {
			return err
		}
		defer e.Close()
		if _, err := e.CacheUsage(t.Context()); err == nil {
			return nil
		}
		_, err = e.Build(t.Context(), docker.Request{Image: impact.Image{Name: "a"}, Dockerfile: []byte("FROM scratch\n"), DockerfileName: "Dockerfile"})
		return err
	}
	right := ",cacert=" + file("ca.pem") + ",cert=" + file("cert.pem") + ",key=" + file("key.pem") + ",servername=builder"
	if err := ask(right); err != nil {
		t.Errorf("the right certificates: %v", err)
	}
	for _, c := range []struct {
		certs, want string
		there       bool // it is found out by the builder, or by us in its answer
	}{
		{strings.Replace(right, "ca.pem", "other-ca.pem", 1), "certificate signed by unknown authority", true},
		{strings.Replace(right, "servername=builder", "servername=another", 1), "not another", true},
		{",cacert=" + file("ca.pem") + ",servername=builder", "", true}, // the words are TLS's, and differ
		{"", "", true},
		{",cacert=" + file("none.pem"), "no such file", false},
		{",cacert=" + file("key.pem"), "key.pem holds no certificate", false},
		{",cacert=" + file("ca.pem") + ",cert=" + file("cert.pem"), "cert and key go together", false},
		{",cacert=" + file("ca.pem") + ",cert=" + file("cert.pem") + ",key=" + file("other-key.pem"), "private key does not match", false},
		{",cert=x,key=y", "cacert is missing", false},
		{",ca=x", `"ca=x" is none of cacert=FILE`, false},
	} {
		err := ask(c.certs)
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, new(*docker.Unreachable)) != c.there {
			t.Errorf("%s: %T %v, want %s", c.certs, err, err, c.want)
		}
	}
}

// authority makes an authority, and a pair that it signed for both sides.
func authority(t *testing.T, dir, caFile, certFile, keyFile string) tls.Certificate {
	caKey, key := newKey(t), newKey(t)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: caFile}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"builder"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		caFile: {Type: "CERTIFICATE", Bytes: caDER}, certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func read(t *testing.T, name string) []byte {
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
