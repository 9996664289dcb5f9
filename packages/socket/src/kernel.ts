/**
 * What the packages ask of the world, in one place: for who puts another world in its place, as
 * `@asyncore/testing` does. Programs have no use for it, and it may change with every version.
 */
export {
  type Binding,
  binding,
  type Found,
  type Memory,
  native,
  on_change,
  type PackedAddress,
  type Pairs,
  use_binding,
} from './binding.js';
export { type Clock, clock, use_clock } from './clock.js';
