#!/bin/sh
# What kubectl asks at each Tab behind `kubectl argocd-sso`: an executable file on PATH with the name
# kubectl_complete-argocd_sso
OIDC_LAB_COMPLETE=kubectl exec @PROGRAM@ -- @NAME@ "$@"
