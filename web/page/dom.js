export const byId = id => document.getElementById(id);

/** An element with properties and children. */
export function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

/** Lets the event loop run. Not an animation frame: those stop in the background. */
export const breathe = () => new Promise(resolve => setTimeout(resolve));

/** Calls back when the element has another size. In a frame of its own, because drawing may change the size again. */
export function onResize(node, callback) {
  new ResizeObserver(() => requestAnimationFrame(callback)).observe(node);
}
