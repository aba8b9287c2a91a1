// Package shim opens the Terraform provider for random values to this project. The provider lives in an internal
// package, which Go lets only packages below the provider's own module path import: hence this module's path.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"
	random "github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// NewProvider returns the provider, written with Terraform's plugin framework.
func NewProvider() provider.Provider {
	return random.New()
}
