package provision

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var files = map[string]string{
	"root_user": "root\n", "root_password": " root's = password \n", "access_key": "mlflow", "secret_access_key": "a\\b\"c",
}

var variables = map[string]string{"S3_ENDPOINT": "https://minio:9000", "BUCKET": "artifacts"}

// read reads settings with some variables and files changed; an empty variable and a nil file are not there.
func read(t *testing.T, variable map[string]string, changed map[string]*string) (*settings, error) {
	t.Helper()
	directory := t.TempDir()
	for name, content := range files {
		text := &content
		if other, is := changed[name]; is {
			text = other
		}
		if text != nil {
			write(t, filepath.Join(directory, name), *text)
		}
	}
	if authority := changed["s3_ca"]; authority != nil {
		write(t, filepath.Join(directory, "s3_ca"), *authority)
	}
	all := maps.Clone(variables)
	maps.Copy(all, variable)
	found, err := readSettings(func(name string) string { return all[name] }, directory)
	var failed failure
	if errors.As(err, &failed) {
		failed.message = strings.ReplaceAll(failed.message, directory+"/", "")
		err = failed
	}
	return found, err
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o400); err != nil {
		t.Fatal(err)
	}
}

func TestSettings(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	certificate := server.Certificate()
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))
	found, err := read(t, map[string]string{"REGION": "eu-central-1", "TIMEOUT": "5"}, map[string]*string{"s3_ca": &authority})
	if err != nil {
		t.Fatal(err)
	}
	if found.endpoint.String() != "https://minio:9000" || found.bucket != "artifacts" || found.region != "eu-central-1" ||
		found.timeout != 5*time.Second {
		t.Errorf("%+v", found)
	}
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: found.authorities}); err != nil {
		t.Errorf("s3_ca: %v", err)
	}
	if want := (key{"root", " root's = password "}); found.root != want {
		t.Errorf("root is %+v, not %+v", found.root, want)
	}
	if want := (key{"mlflow", "a\\b\"c"}); found.user != want {
		t.Errorf("user is %+v, not %+v", found.user, want)
	}

	found, err = read(t, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if found.region != "us-east-1" || found.timeout != time.Minute || found.authorities != nil {
		t.Errorf("defaults: %+v", found)
	}
}

func TestSettingsThatAreRefused(t *testing.T) {
	empty, newline, lines, root := "", "\n", "one\ntwo\n", "root"
	unreadable := fmt.Sprintf("is missing, or cannot be read by uid %d", os.Getuid())
	for _, one := range []struct {
		variables map[string]string
		files     map[string]*string
		message   string
	}{
		{map[string]string{"S3_ENDPOINT": ""}, nil, "S3_ENDPOINT is not set"},
		{map[string]string{"BUCKET": ""}, nil, "BUCKET is not set"},
		{map[string]string{"S3_ENDPOINT": "minio:9000"}, nil,
			`S3_ENDPOINT has to be a URL such as http://minio:9000, not "minio:9000"`},
		{map[string]string{"S3_ENDPOINT": "ftp://minio"}, nil,
			`S3_ENDPOINT has to be a URL such as http://minio:9000, not "ftp://minio"`},
		{map[string]string{"S3_ENDPOINT": "http://"}, nil, `S3_ENDPOINT has to be a URL such as http://minio:9000, not "http://"`},
		{map[string]string{"TIMEOUT": "1m"}, nil, `TIMEOUT has to be a number of seconds, not "1m"`},
		{map[string]string{"TIMEOUT": "-1"}, nil, `TIMEOUT has to be a number of seconds, not "-1"`},
		{nil, map[string]*string{"root_user": nil}, "the secrets file root_user " + unreadable},
		{nil, map[string]*string{"root_password": &empty}, "the secrets file root_password is empty"},
		{nil, map[string]*string{"access_key": &newline}, "the secrets file access_key is empty"},
		{nil, map[string]*string{"secret_access_key": &lines}, "the secrets file secret_access_key has more than one line"},
		{nil, map[string]*string{"s3_ca": &lines}, "the secrets file s3_ca has no certificate in PEM form"},
		{nil, map[string]*string{"access_key": &root}, "access_key is the root user's; MLflow has to have a key of its own"},
	} {
		if _, err := read(t, one.variables, one.files); err != (failure{78, one.message}) {
			t.Errorf("%v, not %q", err, one.message)
		}
	}
}
