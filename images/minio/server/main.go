// MinIO's server; called by the name of provision, the job in provision/. One program, because all that the job is made from
// is in the server anyway: two would take 12 MB more.
package main

import (
	"os"
	"path/filepath"

	minio "github.com/minio/minio/cmd"

	"mlflow-platform/images/minio/server/provision"
)

func main() {
	if filepath.Base(os.Args[0]) == "provision" {
		os.Exit(provision.Main())
	}
	// As MinIO's own main has it done, by a package that nobody else may import.
	os.Setenv("TZ", "UTC")
	minio.Main(os.Args)
}
