package provision

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/minio/madmin-go/v3"
)

func TestChanges(t *testing.T) {
	with := func(policies string) madmin.UserInfo { return madmin.UserInfo{PolicyName: policies} }
	for name, one := range map[string]struct {
		users map[string]madmin.UserInfo
		want  due
	}{
		"new":            {map[string]madmin.UserInfo{"key": with("")}, due{attach: true}},
		"as it is to be": {map[string]madmin.UserInfo{"key": with(policyName)}, due{}},
		"with more": {
			map[string]madmin.UserInfo{"key": with("readwrite," + policyName + ",consoleAdmin")},
			due{detach: []string{"readwrite", "consoleAdmin"}},
		},
		"with another": {
			map[string]madmin.UserInfo{"key": with("readwrite")},
			due{detach: []string{"readwrite"}, attach: true},
		},
		"with earlier ones beside others": {
			map[string]madmin.UserInfo{
				"key": with(policyName), "second": with("readonly," + policyName), "first": with(policyName),
				"other": with("readwrite"), "like": with(policyName + "-2"), "none": with(""),
			},
			due{remove: []string{"first", "second"}},
		},
	} {
		if found := changes(one.users, "key"); !reflect.DeepEqual(found, one.want) {
			t.Errorf("%s: %+v, not %+v", name, found, one.want)
		}
	}
}

// answers is a server's handler that says the same to everybody.
func answers(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>Words of its own.</Message></Error>", code)
	}
}

// waited waits for a server for a second; the failure.
func waited(t *testing.T, endpoint string, authorities *x509.CertPool) failure {
	t.Helper()
	at, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	told := &settings{endpoint: at, root: key{"root", "password"}, timeout: time.Second, authorities: authorities}
	to, err := connect(told)
	if err == nil {
		err = to.wait(context.Background())
	}
	var failed failure
	if !errors.As(err, &failed) {
		t.Fatalf("%s: %v", endpoint, err)
	}
	return failed
}

func TestWaitEndsAtOnceWhereWaitingDoesNotHelp(t *testing.T) {
	for _, code := range []string{"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"} {
		refusing := httptest.NewServer(answers(403, code))
		want := failure{78, "the server at " + refusing.URL + " does not accept root_user and root_password (" + code + ")"}
		if found := waited(t, refusing.URL, nil); found != want {
			t.Errorf("%+v, not %+v", found, want)
		}
		refusing.Close()
	}

	secure := httptest.NewTLSServer(answers(503, "ServerNotInitialized"))
	defer secure.Close()
	plain := httptest.NewServer(answers(503, "ServerNotInitialized"))
	defer plain.Close()
	secureByPlain := "http://" + secure.Listener.Addr().String()
	plainBySecure := "https://" + plain.Listener.Addr().String()
	authorities := x509.NewCertPool()
	authorities.AddCert(secure.Certificate())
	for _, one := range []struct {
		endpoint    string
		authorities *x509.CertPool
		want        failure
	}{
		{secureByPlain, nil, failure{78, "the server at " + secureByPlain + " wants https"}},
		{plainBySecure, nil, failure{78, "the server at " + plainBySecure + " does not speak TLS"}},
		{secure.URL, nil, failure{78, "the certificate of the server at " + secure.URL +
			" is refused: certificate signed by unknown authority"}},
		{secure.URL, authorities, failure{69, "no S3 server answers at " + secure.URL + " within 1 s: Words of its own."}},
	} {
		if found := waited(t, one.endpoint, one.authorities); found != one.want {
			t.Errorf("%+v, not %+v", found, one.want)
		}
	}
}

func TestWaitGoesOnUntilTheServerIsThere(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	nobody := "http://" + closed.Addr().String()
	found := waited(t, nobody, nil)
	want := failure{69, fmt.Sprintf("no S3 server answers at %s within 1 s: Get %q: dial tcp %s: connect: connection refused",
		nobody, nobody+"/", closed.Addr())}
	if found != want {
		t.Errorf("%+v, not %+v", found, want)
	}

	tries := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tries++; tries < 2 {
			answers(503, "ServerNotInitialized")(w, r)
			return
		}
		fmt.Fprint(w, "<ListAllMyBucketsResult></ListAllMyBucketsResult>")
	}))
	defer server.Close()
	at, _ := url.Parse(server.URL)
	to, err := connect(&settings{endpoint: at, root: key{"root", "password"}, timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := to.wait(context.Background()); err != nil || tries != 2 {
		t.Errorf("%v after %d tries", err, tries)
	}
}
