// Is there a certificate for $PUBLIC_HOST on $PUBLIC_PORT of this container? Who signed it does not matter, and what is
// behind the gateway is not asked.
package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	if err := check(os.Getenv("PUBLIC_HOST"), os.Getenv("PUBLIC_PORT")); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func check(host, port string) error {
	dialer := &net.Dialer{Timeout: 4 * time.Second}
	// Not by loopback: without SNI Caddy looks for a certificate of the address that was called, and may have one for that.
	own, err := os.Hostname()
	if err != nil {
		return err
	}
	// Sends no SNI where host is an address, as browsers do. Not verified here: an authority of one's own is fine.
	settings := &tls.Config{ServerName: host, InsecureSkipVerify: true}
	connection, err := tls.DialWithDialer(dialer, "tcp", net.JoinHostPort(own, port), settings)
	if err != nil {
		return err
	}
	defer connection.Close()
	certificate := connection.ConnectionState().PeerCertificates[0]
	if now := time.Now(); now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
		return fmt.Errorf("the certificate is valid from %s to %s", certificate.NotBefore, certificate.NotAfter)
	}
	return certificate.VerifyHostname(host)
}
