-- Roles and databases of the cluster, brought to what the environment and the secrets files say.
-- Run on every start by the superuser, in the database postgres.
\set SHOW_CONTEXT never
-- An error then has one line, with nothing of the statement.
\set VERBOSITY terse
\getenv database DATABASE
\getenv owner OWNER_USER
\getenv server SERVER_USER
\getenv auth AUTH_USER
SET client_min_messages = warning;

-- Rights go to groups, so that a login can get another name and what it made stays.
SELECT format('CREATE ROLE %I', name)
FROM (VALUES ('mlflow_platform_owner'), ('mlflow_platform_server'), ('mlflow_platform_auth')) AS wanted (name)
WHERE name NOT IN (SELECT rolname FROM pg_roles) \gexec
ALTER ROLE mlflow_platform_owner NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD NULL;
ALTER ROLE mlflow_platform_server NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD NULL;
ALTER ROLE mlflow_platform_auth NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD NULL;
ALTER ROLE postgres PASSWORD NULL;

SELECT format('CREATE ROLE %I', name)
FROM (VALUES (:'owner'), (:'server'), (:'auth')) AS wanted (name)
WHERE name NOT IN (SELECT rolname FROM pg_roles) \gexec

-- Logins of earlier settings.
SELECT DISTINCT format('ALTER ROLE %I NOLOGIN PASSWORD NULL', member.rolname)
FROM pg_auth_members
JOIN pg_roles AS member ON member.oid = pg_auth_members.member
WHERE roleid IN (
    'mlflow_platform_owner'::regrole, 'mlflow_platform_server'::regrole, 'mlflow_platform_auth'::regrole)
  AND member.rolname NOT IN (:'owner', :'server', :'auth', 'postgres') \gexec

-- Memberships that nobody has set: of others in the groups, and of ours in anything but their group.
SELECT format('REVOKE %s FROM %s GRANTED BY %s CASCADE', roleid::regrole, member::regrole, grantor::regrole)
FROM pg_auth_members
WHERE (roleid IN ('mlflow_platform_owner'::regrole, 'mlflow_platform_server'::regrole, 'mlflow_platform_auth'::regrole)
    OR pg_get_userbyid(member) IN (
      :'owner', :'server', :'auth', 'mlflow_platform_owner', 'mlflow_platform_server', 'mlflow_platform_auth'))
  AND (pg_get_userbyid(member), roleid) NOT IN (
    (:'owner'::name, 'mlflow_platform_owner'::regrole::oid),
    (:'server'::name, 'mlflow_platform_server'::regrole::oid),
    (:'auth'::name, 'mlflow_platform_auth'::regrole::oid)) \gexec

\set password `cat /run/secrets/platform/owner_password`
ALTER ROLE :"owner" LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
  CONNECTION LIMIT -1 VALID UNTIL 'infinity' PASSWORD :'password';
\set password `cat /run/secrets/platform/server_password`
ALTER ROLE :"server" LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
  CONNECTION LIMIT -1 VALID UNTIL 'infinity' PASSWORD :'password';
\set password `cat /run/secrets/platform/auth_password`
ALTER ROLE :"auth" LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
  CONNECTION LIMIT -1 VALID UNTIL 'infinity' PASSWORD :'password';
\unset password
ALTER ROLE :"owner" RESET ALL;
ALTER ROLE :"server" RESET ALL;
ALTER ROLE :"auth" RESET ALL;
SELECT format('ALTER ROLE %I IN DATABASE %I RESET ALL', rolname, datname)
FROM pg_db_role_setting
JOIN pg_roles ON pg_roles.oid = setrole
JOIN pg_database ON pg_database.oid = setdatabase
WHERE rolname IN (:'owner', :'server', :'auth') \gexec
-- What the owner's login makes belongs to the group.
ALTER ROLE :"owner" SET role = 'mlflow_platform_owner';
GRANT mlflow_platform_owner TO :"owner";
GRANT mlflow_platform_server TO :"server";
GRANT mlflow_platform_auth TO :"auth";

SELECT format('CREATE DATABASE %I TEMPLATE template0 OWNER mlflow_platform_owner', :'database')
WHERE :'database' NOT IN (SELECT datname FROM pg_database) \gexec
ALTER DATABASE :"database" OWNER TO mlflow_platform_owner;
-- Its owner could set what the next session there begins with, the superuser's included.
ALTER DATABASE :"database" RESET ALL;
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', datname) FROM pg_database \gexec
REVOKE ALL ON DATABASE :"database" FROM :"owner", :"server", :"auth", mlflow_platform_server, mlflow_platform_auth;
GRANT CONNECT ON DATABASE :"database" TO mlflow_platform_server, mlflow_platform_auth;
