// Package provision makes the bucket, and the one key that may use it and nothing else. It can be run again and again.
//
//	S3_ENDPOINT   e.g. http://minio:9000, https://minio:9000
//	BUCKET        the bucket to have
//	REGION        its region, us-east-1
//	TIMEOUT       seconds to wait for the server, 60
//	/run/secrets/platform/root_user, root_password, access_key, secret_access_key   a line each
//	/run/secrets/platform/s3_ca   if there, the authority of the server's certificate, in PEM form
//
// Exit 78: a setting has to be put right; 69: the server is not there; 1: it refused something.
package provision

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/minio/madmin-go/v3"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// policyName is what MinIO calls the rights of the key.
const policyName = "mlflow-platform"

// Main runs the job and returns its exit code.
func Main() int {
	err := run(context.Background())
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "provision: %s\n", err)
	var failed failure
	if errors.As(err, &failed) {
		return failed.code
	}
	return 1
}

func run(ctx context.Context) error {
	told, err := readSettings(os.Getenv, "/run/secrets/platform")
	if err != nil {
		return err
	}
	to, err := connect(told)
	if err != nil {
		return err
	}
	if err := to.wait(ctx); err != nil {
		return err
	}
	return to.provision(ctx)
}

// server is a MinIO server and what it is to have.
type server struct {
	*settings
	transport *http.Transport
	// The root user's.
	store *minio.Client
	admin *madmin.AdminClient
}

func connect(told *settings) (*server, error) {
	secure := told.endpoint.Scheme == "https"
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	if secure {
		transport.TLSClientConfig.RootCAs = told.authorities
	}
	to := &server{settings: told, transport: transport}
	if to.store, err = to.client(told.root, minio.MaxRetry); err != nil {
		return nil, err
	}
	to.admin, err = madmin.NewWithOptions(told.endpoint.Host, &madmin.Options{
		Creds: credentials.NewStaticV4(told.root.id, told.root.secret, ""), Secure: secure, Transport: transport,
	})
	return to, err
}

// client is one for objects, which tries each request so many times.
func (to *server) client(who key, tries int) (*minio.Client, error) {
	client, err := minio.New(to.endpoint.Host, &minio.Options{
		Creds:        credentials.NewStaticV4(who.id, who.secret, ""),
		Secure:       to.endpoint.Scheme == "https",
		Transport:    to.transport,
		BucketLookup: minio.BucketLookupPath,
		MaxRetries:   tries,
	})
	if err != nil {
		return nil, refused("S3_ENDPOINT %s: %s", to.endpoint, err)
	}
	return client, nil
}

// wait returns as soon as the server lets the root user in.
func (to *server) wait(ctx context.Context) error {
	client, err := to.client(to.root, 1)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(to.timeout); ; time.Sleep(time.Second) {
		try, cancel := context.WithTimeout(ctx, 10*time.Second)
		_, err := client.ListBuckets(try)
		cancel()
		if err == nil {
			return nil
		}
		if never := to.hopeless(err); never != nil {
			return never
		}
		if time.Now().After(deadline) {
			return failure{69, fmt.Sprintf("no S3 server answers at %s within %.0f s: %s", to.endpoint, to.timeout.Seconds(), err)}
		}
	}
}

// hopeless is the failure behind an answer that does not get better by waiting; nil for any other.
func (to *server) hopeless(err error) error {
	answer := minio.ToErrorResponse(err)
	switch answer.Code {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied":
		return refused("the server at %s does not accept root_user and root_password (%s)", to.endpoint, answer.Code)
	case "400 Bad Request":
		return refused("the server at %s wants https", to.endpoint)
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return refused("the server at %s does not speak TLS", to.endpoint)
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		reason := strings.TrimPrefix(certificate.Err.Error(), "x509: ")
		return refused("the certificate of the server at %s is refused: %s", to.endpoint, reason)
	}
	return nil
}

// provision makes what is to be there. A server that refuses a step is named with the step, in its own words: they have no
// credentials in them.
func (to *server) provision(ctx context.Context) error {
	bucket, user := to.bucket, to.user
	cannot := func(err error, format string, values ...any) error {
		return fmt.Errorf("cannot %s: %w", fmt.Sprintf(format, values...), err)
	}

	there, err := to.store.BucketExists(ctx, bucket)
	if err == nil && !there {
		err = to.store.MakeBucket(ctx, bucket, minio.MakeBucketOptions{Region: to.region})
	}
	if err != nil {
		return cannot(err, "make the bucket %s", bucket)
	}
	// A bucket's policy is for those without a key.
	if err := to.store.SetBucketPolicy(ctx, bucket, ""); err != nil {
		return cannot(err, "close the bucket %s to the public", bucket)
	}

	policy, err := json.Marshal(rights(bucket))
	if err == nil {
		err = to.admin.AddCannedPolicy(ctx, policyName, policy)
	}
	if err != nil {
		return cannot(err, "write the policy %s", policyName)
	}
	// One that exists gets the secret, and is enabled.
	if err := to.admin.AddUser(ctx, user.id, user.secret); err != nil {
		return cannot(err, "make the user %s", user.id)
	}

	users, err := to.admin.ListUsers(ctx)
	if err != nil {
		return cannot(err, "list the users")
	}
	due := changes(users, user.id)
	if len(due.detach) > 0 {
		request := madmin.PolicyAssociationReq{Policies: due.detach, User: user.id}
		if _, err := to.admin.DetachPolicy(ctx, request); err != nil {
			return cannot(err, "take the policies %s from %s", strings.Join(due.detach, ", "), user.id)
		}
	}
	if due.attach {
		request := madmin.PolicyAssociationReq{Policies: []string{policyName}, User: user.id}
		if _, err := to.admin.AttachPolicy(ctx, request); err != nil {
			return cannot(err, "give the policy %s to %s", policyName, user.id)
		}
	}
	for _, earlier := range due.remove {
		if err := to.admin.RemoveUser(ctx, earlier); err != nil {
			return cannot(err, "remove the earlier user %s", earlier)
		}
		fmt.Printf("provision: removed the earlier user %s\n", earlier)
	}

	own, err := to.client(user, minio.MaxRetry)
	if err == nil {
		_, err = minio.Core{Client: own}.ListObjectsV2(bucket, "", "", "", "/", 1)
	}
	if err != nil {
		return cannot(err, "list the bucket %s as %s", bucket, user.id)
	}
	fmt.Printf("provision: bucket %s is ready for %s\n", bucket, user.id)
	return nil
}

// statement of a policy, as IAM writes it.
type statement struct {
	Effect   string
	Action   []string
	Resource []string `json:",omitempty"`
}

// policy as IAM writes it.
type policy struct {
	Version   string
	Statement []statement
}

// rights is what the key may do, on one bucket.
func rights(bucket string) policy {
	arn := "arn:aws:s3:::" + bucket
	return policy{"2012-10-17", []statement{
		{"Allow", []string{"s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"}, []string{arn}},
		{"Allow", []string{
			"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
		}, []string{arn + "/*"}},
		// What MinIO lets every key do unless it is denied: change its secret, make keys that outlive it. Sessions may be made
		// (the console does): this MinIO ends them when the user is written again, as every run does (patches/0005).
		{"Deny", []string{"admin:*"}, nil},
	}}
}

// due is what has to change for the user to have exactly the policy, and nobody else.
type due struct {
	// Policies that the user has and shall not have.
	detach []string
	// Whether the policy is not the user's yet.
	attach bool
	// Other users with the policy: they are of earlier settings.
	remove []string
}

// changes compares the users that there are with the one that shall be.
func changes(users map[string]madmin.UserInfo, user string) due {
	found := due{attach: true}
	for name, info := range users {
		policies := strings.FieldsFunc(info.PolicyName, func(r rune) bool { return r == ',' })
		if name != user {
			if slices.Contains(policies, policyName) {
				found.remove = append(found.remove, name)
			}
			continue
		}
		for _, one := range policies {
			if one == policyName {
				found.attach = false
			} else {
				found.detach = append(found.detach, one)
			}
		}
	}
	sort.Strings(found.remove)
	return found
}
