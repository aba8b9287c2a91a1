-- Ownership and privileges inside the database, after roles.sql and like it on every start.
\set SHOW_CONTEXT never
\set VERBOSITY terse
\getenv owner OWNER_USER
\getenv server SERVER_USER
\getenv auth AUTH_USER
SET client_min_messages = warning;
-- The superuser calls no function that the owner has made in this database.
SET search_path = pg_catalog;

-- Made by a login that had left its group (RESET ROLE), or before it had one.
SELECT format('REASSIGN OWNED BY %I TO mlflow_platform_owner', rolname)
FROM pg_roles
WHERE oid IN (
    SELECT refobjid FROM pg_shdepend
    WHERE refclassid = 'pg_authid'::regclass AND deptype = 'o'
      AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND rolname NOT IN ('postgres', 'mlflow_platform_owner') \gexec

-- MLflow's users, apart from all else: whoever reads these tables has the hashes of their passwords.
CREATE SCHEMA IF NOT EXISTS mlflow_auth;
ALTER SCHEMA mlflow_auth OWNER TO mlflow_platform_owner;

-- Everything in a schema, to one of the groups and to nobody else.
REVOKE ALL ON SCHEMA public, mlflow_auth
  FROM PUBLIC, :"owner", :"server", :"auth", mlflow_platform_server, mlflow_platform_auth;
REVOKE ALL ON ALL TABLES IN SCHEMA public, mlflow_auth
  FROM PUBLIC, :"server", :"auth", mlflow_platform_server, mlflow_platform_auth;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public, mlflow_auth
  FROM PUBLIC, :"server", :"auth", mlflow_platform_server, mlflow_platform_auth;

GRANT USAGE ON SCHEMA public TO mlflow_platform_server;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO mlflow_platform_server;
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO mlflow_platform_server;
ALTER DEFAULT PRIVILEGES FOR ROLE mlflow_platform_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO mlflow_platform_server;
ALTER DEFAULT PRIVILEGES FOR ROLE mlflow_platform_owner IN SCHEMA public
  GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO mlflow_platform_server;

GRANT USAGE ON SCHEMA mlflow_auth TO mlflow_platform_auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA mlflow_auth TO mlflow_platform_auth;
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA mlflow_auth TO mlflow_platform_auth;
ALTER DEFAULT PRIVILEGES FOR ROLE mlflow_platform_owner IN SCHEMA mlflow_auth
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO mlflow_platform_auth;
ALTER DEFAULT PRIVILEGES FOR ROLE mlflow_platform_owner IN SCHEMA mlflow_auth
  GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO mlflow_platform_auth;
