// Package shim opens the Terraform provider for Docker to this project. The provider lives in an internal package,
// which Go lets only packages below the provider's own module path import: hence this module's path.
package shim

import (
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// NewProvider returns the part of the provider that is written with Terraform's plugin SDK, which holds every
// resource that @pulumi/docker knows. The version ends up in the user agent of registry requests.
func NewProvider(version string) *schema.Provider {
	return provider.New(version)()
}
