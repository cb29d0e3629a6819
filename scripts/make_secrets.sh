#!/bin/sh
# Makes the files that docker-compose.yml takes passwords from, where they are missing: sh scripts/make_secrets.sh [FOLDER]
# The folder is its owner's alone. The files in it are for everybody, because each service reads them as a user of its own.
set -eu

folder=${1:-secrets}
mkdir -p "$folder"
chmod 700 "$folder"

random() {
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

make() {
    if [ ! -s "$folder/$1" ]; then
        printf '%s%s\n' "${2:-}" "$(random)" > "$folder/$1"
        echo "made $folder/$1"
    fi
    chmod 444 "$folder/$1"
}

make secret_key
make database_password
make redis_password
make flower_basic_auth operator:
