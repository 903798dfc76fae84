// Keeps the newest figures of tenants as the usage socket tells them, and what a gauge shows of them. Pure.

export class Figures {
  #tenants = new Map();

  /** Take the changes of one message: by tenant, by resource; null stands for what is gone. */
  take(changes) {
    for (const [tenant, resources] of Object.entries(changes)) {
      if (resources === null) {
        this.#tenants.delete(tenant);
        continue;
      }
      const known = this.#tenants.get(tenant) ?? new Map();
      for (const [resource, figure] of Object.entries(resources)) {
        if (figure === null) known.delete(resource);
        else known.set(resource, figure);
      }
      this.#tenants.set(tenant, known);
    }
  }

  get(tenant, resource) {
    return this.#tenants.get(tenant)?.get(resource);
  }

  clear() {
    this.#tenants.clear();
  }
}

/** Percent of the limit in use, as far as a bar can show it; null without a limit or a figure. */
export function percentOf({ used, limit }) {
  if (used === null || limit === null) return null;
  return limit > 0 ? Math.min(100, Math.round((100 * used) / limit)) : 100;
}

export const isFull = ({ used, limit, over }) => over === true || (used !== null && limit !== null && used >= limit);

const ALMOST = 50; // of a disk nobody can tell how much is needed: a fiftieth of the limit is as good as nothing

/** Whether less is left than is needed; null where nobody can tell. */
export function isShort(needs, figure) {
  if (figure.limit === null) return false;
  if (figure.used === null) return null;
  const left = figure.limit - figure.used;
  return needs > 0 ? left < needs : left <= figure.limit / ALMOST;
}

/** What is left of the limit; null without a limit or a figure. */
export const leftOf = ({ used, limit }) => (used === null || limit === null ? null : Math.max(0, limit - used));
