package provision

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// key is an access key with its secret.
type key struct{ id, secret string }

// settings is what the job is told.
type settings struct {
	// Scheme and host of the server.
	endpoint *url.URL
	bucket   string
	region   string
	// How long to wait for the server.
	timeout time.Duration
	root    key
	// The key that gets the bucket.
	user key
	// Authorities that may have signed the server's certificate; nil for the system's alone.
	authorities *x509.CertPool
}

// readSettings reads the environment and the files in a directory. Its errors are failures with code 78.
func readSettings(variable func(string) string, secrets string) (*settings, error) {
	for _, name := range []string{"S3_ENDPOINT", "BUCKET"} {
		if variable(name) == "" {
			return nil, refused("%s is not set", name)
		}
	}
	read := &settings{bucket: variable("BUCKET"), region: "us-east-1", timeout: time.Minute}
	endpoint, err := url.Parse(variable("S3_ENDPOINT"))
	if err != nil || endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Host == "" {
		return nil, refused("S3_ENDPOINT has to be a URL such as http://minio:9000, not %q", variable("S3_ENDPOINT"))
	}
	read.endpoint = endpoint
	if region := variable("REGION"); region != "" {
		read.region = region
	}
	if timeout := variable("TIMEOUT"); timeout != "" {
		seconds, err := strconv.ParseUint(timeout, 10, 16)
		if err != nil {
			return nil, refused("TIMEOUT has to be a number of seconds, not %q", timeout)
		}
		read.timeout = time.Duration(seconds) * time.Second
	}
	for name, value := range map[string]*string{
		"root_user": &read.root.id, "root_password": &read.root.secret,
		"access_key": &read.user.id, "secret_access_key": &read.user.secret,
	} {
		if *value, err = readLine(filepath.Join(secrets, name)); err != nil {
			return nil, err
		}
	}
	if read.user.id == read.root.id {
		return nil, refused("access_key is the root user's; MLflow has to have a key of its own")
	}
	read.authorities, err = readAuthorities(filepath.Join(secrets, "s3_ca"))
	return read, err
}

// readAuthorities reads a file of certificates in PEM form; they stand beside the system's. There need not be one.
func readAuthorities(file string) (*x509.CertPool, error) {
	content, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, refused("the secrets file %s cannot be read by uid %d", file, os.Getuid())
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, refused("the secrets file %s has no certificate in PEM form", file)
	}
	return pool, nil
}

// readLine reads a file of one line, with or without the newline at its end.
func readLine(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", refused("the secrets file %s is missing, or cannot be read by uid %d", file, os.Getuid())
	}
	line := strings.TrimSuffix(string(content), "\n")
	if line == "" {
		return "", refused("the secrets file %s is empty", file)
	}
	if strings.Contains(line, "\n") {
		return "", refused("the secrets file %s has more than one line", file)
	}
	return line, nil
}

// failure is an error with the exit code that it ends with.
type failure struct {
	code    int
	message string
}

func (f failure) Error() string { return f.message }

// refused is a failure for what has to be put right first.
func refused(format string, values ...any) failure {
	return failure{78, fmt.Sprintf(format, values...)}
}
